/** What Deno refused, as far as its errors tell. */

/** What was asked for, in Deno's words; undefined for an error that is no refusal. */
export function findRefusal(error: unknown): string | undefined {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    const refused = cause instanceof Deno.errors.NotCapable || /^Requires \w+ access to /.test(cause.message);
    if (refused) return cause.message.replace(/^Requires /, "").replace(/, run again.*$/s, "");
  }
  return undefined;
}

/**
 * The start of a sentence where a program was not started because of variables such as `LD_LIBRARY_PATH`, and what to leave
 * out; undefined for other errors. They decide what code a program loads, so that Deno hands them on only for a process that
 * may start any program. A child without them would find other libraries than the run itself, so none is started so.
 */
export function loaderRefusal(error: unknown): string | undefined {
  const found = /permissions to spawn subprocess with (.+) environment variables?\./.exec(findRefusal(error) ?? "");
  if (found === null) return undefined;
  const [is, decides, it] = found[1].includes(",") ? ["are", "decide", "them"] : ["is", "decides", "it"];
  return `${
    found[1]
  } ${is} set and ${decides} what code programs load, so that Deno starts one only for a process that may ` +
    `start any: unset ${it}`;
}
