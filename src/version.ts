/** The kit's version, as in `deno.json`; reports say it. */
export const KIT_VERSION = "0.1.0";
