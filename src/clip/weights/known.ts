/** Weights that are known by their bytes. */
import catalogue from "../../../data/catalogue.json" with { type: "json" };

/** sha256 of the sample model's weights, `data/sample/model.safetensors`. */
export const SAMPLE_MODEL_SHA256 = "45dd2b110a91d701d9da6eafafe08e41dd656686557d992a7a6a4a943f108d6e";

/** Whether a file is one of OpenAI's, or the sample model, which were trained with QuickGELU. */
export function isKnownQuickGelu(sha256: string): boolean {
  const openai = catalogue.items.filter(({ kind }) => kind === "model").flatMap(({ files }) => files);
  return sha256 === SAMPLE_MODEL_SHA256 || openai.some((file) => "sha256" in file && file.sha256 === sha256);
}
