/** What is fuzzed: every reader of files that a user may be given by somebody else. */
import { DATA_TARGETS } from "./data_targets.ts";
import { LIST_TARGETS } from "./list_targets.ts";
import { MODEL_TARGETS } from "./model_targets.ts";
import { RUN_TARGETS } from "./run_targets.ts";
import type { Target } from "./target.ts";

export type { Target };

/** All readers. */
export const TARGETS: readonly Target[] = [...MODEL_TARGETS, ...DATA_TARGETS, ...LIST_TARGETS, ...RUN_TARGETS];
