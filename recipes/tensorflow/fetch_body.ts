import type { UserError } from "../../src/errors.ts";

/**
 * What an address gives, as bytes that stream. Throws what `failed` makes of the reason when it cannot be had; Deno's
 * own refusal of a permission goes through as it is.
 */
export async function fetchBody(
  address: string,
  failed: (why: string) => UserError,
): Promise<{ body: ReadableStream<Uint8Array<ArrayBuffer>>; headers: Headers }> {
  let response: Response;
  try {
    response = await fetch(address);
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) throw error;
    throw failed((error as Error).message.split(": ").at(-1)!);
  }
  if (!response.ok || response.body === null) throw failed(`the server answers ${response.status}`);
  return { body: response.body, headers: response.headers };
}
