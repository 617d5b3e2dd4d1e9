/**
 * Every third-party import, with its exact version in the line, so that `mod.ts` works from a URL without any configuration.
 */
export { characterEntities } from "npm:character-entities@2.0.2";
export { characterEntitiesLegacy } from "npm:character-entities-legacy@3.0.0";
export { distance as levenshtein } from "npm:fastest-levenshtein@1.0.16";
export { default as jStat } from "npm:jstat@1.9.6";
export { CholeskyDecomposition, EigenvalueDecomposition, Matrix } from "npm:ml-matrix@6.15.1";

/** ONNX Runtime's version, for the report. */
export const ONNX_RUNTIME_VERSION = "1.30.0";
/** tfjs's version, the same for all of its packages. */
export const TFJS_VERSION = "4.22.0";

/** Types of the packages that are loaded when they are chosen. */
export type * as Tfjs from "npm:@tensorflow/tfjs-core@4.22.0";
export type * as OnnxRuntime from "npm:onnxruntime-node@1.30.0";

/** Runs ONNX graphs; native, inside the npm package. */
export const loadOnnxRuntime = async () => (await import("npm:onnxruntime-node@1.30.0")).default;
/** tfjs's core, without a backend. */
export const loadTfjs = () => import("npm:@tensorflow/tfjs-core@4.22.0");
/** tfjs's kernels in plain JavaScript. */
export const loadTfjsBackendCpu = () => import("npm:@tensorflow/tfjs-backend-cpu@4.22.0");
/** tfjs's kernels in WebAssembly. */
export const loadTfjsBackendWasm = () => import("npm:@tensorflow/tfjs-backend-wasm@4.22.0");
/** tfjs's kernels on WebGPU. */
export const loadTfjsBackendWebgpu = () => import("npm:@tensorflow/tfjs-backend-webgpu@4.22.0");
/** Decodes images; native, inside the npm package. */
export const loadSharp = async () => (await import("npm:sharp@0.35.5")).default;
/** Reads the directories of zip archives. */
export const loadZip = () => import("npm:@zip.js/zip.js@2.24.0");
/** Reads tar archives as they stream by. */
export const loadTar = () => import("npm:modern-tar@0.8.6");
/** Draws charts as SVG. */
export const loadPlot = () => import("npm:@observablehq/plot@0.6.17");
/** The small document that charts are drawn into; in one file, since the others look for a `canvas` package above the kit. */
export const loadDom = () => import("npm:linkedom@0.18.15/worker");
/**
 * tfjs's bindings to TensorFlow, which have to be built. Deno downloads whatever an `import` names in one piece, used or not;
 * so these names are put together only when they are chosen.
 */
export const loadTfjsNode = (): Promise<typeof import("npm:@tensorflow/tfjs-core@4.22.0")> =>
  import(`npm:@tensorflow/tfjs-node@${TFJS_VERSION}`);
/** As {@linkcode loadTfjsNode}, with CUDA. */
export const loadTfjsNodeGpu = (): Promise<typeof import("npm:@tensorflow/tfjs-core@4.22.0")> =>
  import(`npm:@tensorflow/tfjs-node-gpu@${TFJS_VERSION}`);
