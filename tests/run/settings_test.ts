import { assert, assertEquals, assertThrows } from "jsr:@std/assert@1.0.19";
import { UserError } from "../../src/errors.ts";
import { coop, gda, KIT_METHODS, linearProbe, zeroShot } from "../../src/methods/kit.ts";
import { type Method, withVariants } from "../../src/methods/method.ts";
import { RUN_SETTINGS, settingsOf } from "../../src/run/settings.ts";

const names = <S>(method: Method<S>) => Object.keys(settingsOf(method as unknown as Method));

Deno.test("a method has the settings of every run, but for those that mean nothing to it, and its own", () => {
  const of = (method: unknown, name: string) => names(method as Method).includes(name);
  assertEquals(
    ["train", "shots", "seeds", "preset", "checkpointEvery"].map((name) => of(coop, name)),
    Array(5).fill(true),
  );
  assertEquals(["train", "shots", "seeds", "preset", "checkpointEvery"].map((name) => of(gda, name)), [
    true,
    true,
    true,
    false,
    false,
  ]);
  assertEquals(
    names(zeroShot),
    "eval model activation data dataset split engine device threads out fresh templates".split(" "),
  );
  assert(of(linearProbe, "tuneOn") && !of(linearProbe, "templates") && !of(linearProbe, "views"));
  for (const method of KIT_METHODS.flatMap(withVariants)) {
    assertEquals(Object.keys(method.settings).filter((name) => name in RUN_SETTINGS), [], method.name);
  }
});

Deno.test("what cannot change a number is said so: where things lie, what computes, where results go", () => {
  const changing = Object.entries(RUN_SETTINGS).filter(([, setting]) => setting.changesNumbers !== false);
  assertEquals(changing.map(([name]) => name), ["train", "eval", "preset", "shots", "seeds"]);
});

Deno.test("what is evaluated: classes of the data set itself, or of another by its name or path", () => {
  const parse = (text: string) => RUN_SETTINGS.eval.parse(text, "--eval");
  assertEquals(parse("base, new,base"), ["base", "new"]);
  assertEquals(parse("caltech101:all,../my images:new,C:\\data:base"), [
    "caltech101:all",
    "../my images:new",
    "C:\\data:base",
  ]);
  assertEquals(parse("val,base"), ["val", "base"]);
  assertThrows(
    () => parse("bas"),
    UserError,
    '--eval is "bas", and can be base, new, all or val. Did you mean "base"?',
  );
  assertThrows(() => parse("dtd:most"), UserError, "The part of --eval after the colon");
  // Of another data set nothing was drawn.
  assertThrows(() => parse("dtd:val"), UserError, 'is "val", and can be base, new or all.');
  assertThrows(() => parse(":all"), UserError, "names no data set");
});
