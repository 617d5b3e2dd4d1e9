/**
 * Attention as WGSL: head by head, straight from rows in CLIP's layout, so that no head is copied out of them.
 *
 * A group of threads takes some queries of one head of one sequence. Its threads share the keys of a query.
 *
 * Shapes: see `fused.ts`.
 */

/** What is written into the code. */
export interface HeadCode {
  heads: number;
  /** d */
  width: number;
  /** There are shared keys and values before the rows' own. */
  shared: boolean;
  mask: boolean;
}

/** How a group divides its work. */
interface Groups {
  threads: number;
  queries: number;
  maxKeys: number;
}

/**
 * Adds up `term` over the numbers `i` of a head's row of keys or values, or with `along` over the keys `k`; `NUMBER` in it
 * is the number. Shared rows come first; which buffer a row is in is decided outside of the inner loop.
 */
function overHead(name: "key" | "value", { heads, width, shared }: HeadCode, term: string): string {
  const loop = (buffer: string, base: string) =>
    `let base = ${base} + head;
      for (var i = 0; i < ${width}; i++) { ${term.replace("NUMBER", `${buffer}[base + i]`)} }`;
  const own = loop(`${name}s`, rowOf(name, "k - uniforms.X"));
  if (!shared) return own;
  return `if (k < uniforms.X) { ${loop(sharedOf(name), `k * ${heads * width}`)} } else { ${own} }`;
}

function overKeys(name: "key" | "value", { heads, width, shared }: HeadCode, term: string): string {
  const loop = (from: string, to: string, number: string) =>
    `for (var k = ${from}; k < ${to}; k++) { ${term.replace("NUMBER", number)} }`;
  return `${shared ? loop("0", "uniforms.X", `${sharedOf(name)}[k * ${heads * width} + column]`) : ""}
  ${loop("uniforms.X", "uniforms.K", `${name}s[${rowOf(name, "k - uniforms.X")} + column]`)}`;
}

const sharedOf = (name: "key" | "value") => name === "key" ? "sharedKeys" : "sharedValues";
const rowOf = (name: "key" | "value", row: string) =>
  `((${row}) * uniforms.N + n) * uniforms.${name}Row + uniforms.${name}From`;

/** Up to the probabilities of a group's queries, in `p`, and where they are: `n`, `h`, `q`. */
function probabilities(code: HeadCode & Groups, more: { before: string; load: string }): string {
  const { heads, width, mask, threads, queries, maxKeys } = code;
  const lanes = threads / queries;
  return `
var<workgroup> p : array<f32, ${queries * maxKeys}>;
var<workgroup> asked : array<f32, ${queries * width}>;
var<workgroup> parts : array<f32, ${threads}>;
${more.before}
// A query has ${lanes} threads: sums, and the largest, over them.
fn sumOfLanes(value : f32, thread : i32) -> f32 {
  parts[thread] = value;
  workgroupBarrier();
  for (var half = ${lanes / 2}; half > 0; half = half >> 1) {
    if (thread % ${lanes} < half) { parts[thread] += parts[thread + half]; }
    workgroupBarrier();
  }
  let sum = parts[thread / ${lanes} * ${lanes}];
  workgroupBarrier();
  return sum;
}
fn mostOfLanes(value : f32, thread : i32) -> f32 {
  parts[thread] = value;
  workgroupBarrier();
  for (var half = ${lanes / 2}; half > 0; half = half >> 1) {
    if (thread % ${lanes} < half) { parts[thread] = max(parts[thread], parts[thread + half]); }
    workgroupBarrier();
  }
  let most = parts[thread / ${lanes} * ${lanes}];
  workgroupBarrier();
  return most;
}
fn main(index : i32) {
  let thread = i32(localIndex);
  let blocks = (uniforms.Q + ${queries - 1}) / ${queries};
  let group = index / ${threads};
  // Groups beyond the last one do its work again and write nothing: barriers are for all.
  let isThere = group < blocks * uniforms.N * ${heads};
  let at = min(group, blocks * uniforms.N * ${heads} - 1);
  let h = at / blocks % ${heads};
  let n = at / (blocks * ${heads});
  let firstQuery = at % blocks * ${queries};
  let head = h * ${width};
  for (var i = thread; i < ${queries * width}; i += ${threads}) {
    let row = min(firstQuery + i / ${width}, uniforms.Q - 1) * uniforms.N + n;
    let column = head + i % ${width};
    asked[i] = queries[row * uniforms.queryRow + uniforms.queryFrom + column];
    ${more.load}
  }
  workgroupBarrier();
  let mine = thread / ${lanes};
  let lane = thread % ${lanes};
  let q = firstQuery + mine;
  var most = -3.4e38;
  for (var k = lane; k < uniforms.K; k += ${lanes}) {
    var score = 0.0;
    ${overHead("key", code, `score += asked[mine * ${width} + i] * NUMBER;`)}
    ${mask ? `score += mask[((n % uniforms.masks) * uniforms.Q + min(q, uniforms.Q - 1)) * uniforms.K + k];` : ""}
    p[mine * ${maxKeys} + k] = score;
    most = max(most, score);
  }
  most = mostOfLanes(most, thread);
  var sum = 0.0;
  for (var k = lane; k < uniforms.K; k += ${lanes}) {
    let power = exp(p[mine * ${maxKeys} + k] - most);
    p[mine * ${maxKeys} + k] = power;
    sum += power;
  }
  sum = sumOfLanes(sum, thread);
  for (var k = lane; k < uniforms.K; k += ${lanes}) { p[mine * ${maxKeys} + k] /= sum; }
  workgroupBarrier();`;
}

/** The attended rows. */
export const ATTENTION = (code: HeadCode & Groups): string => {
  const { heads, width, threads, queries, maxKeys } = code;
  return `${probabilities(code, { before: "", load: "" })}
  for (var i = thread; i < ${queries * width}; i += ${threads}) {
    let row = i / ${width};
    let column = head + i % ${width};
    var mean = 0.0;
    ${overKeys("value", code, `mean += p[row * ${maxKeys} + k] * NUMBER;`)}
    if (isThere && firstQuery + row < uniforms.Q) {
      result[((firstQuery + row) * uniforms.N + n) * ${heads * width} + column] = mean;
    }
  }
}`;
};

/** The probabilities again, and after all of them the gradients at the scores. */
export const ATTENTION_SCORES = (code: HeadCode & Groups): string => {
  const { heads, width, queries, maxKeys } = code;
  const lanes = code.threads / queries;
  return `${
    probabilities(code, {
      before: `var<workgroup> given : array<f32, ${queries * width}>;`,
      load: `given[i] = dAttended[row * ${heads * width} + column];`,
    })
  }
  let writes = isThere && q < uniforms.Q;
  let out = ((n * ${heads} + h) * uniforms.Q + q) * uniforms.K;
  let second = uniforms.N * ${heads} * uniforms.Q * uniforms.K;
  var along = 0.0;
  for (var k = lane; k < uniforms.K; k += ${lanes}) {
    var toP = 0.0;
    ${overHead("value", code, `toP += given[mine * ${width} + i] * NUMBER;`)}
    let probability = p[mine * ${maxKeys} + k];
    along += probability * toP;
    if (writes) {
      result[out + k] = probability;
      result[second + out + k] = toP;
    }
  }
  along = sumOfLanes(along, thread);
  for (var k = lane; k < uniforms.K; k += ${lanes}) {
    if (writes) { result[second + out + k] = p[mine * ${maxKeys} + k] * (result[second + out + k] - along); }
  }
}`;
};

/** One thread a number: of a query's gradient over all keys, of a key's or value's over all queries. */
export const ATTENTION_PULLBACK = (code: HeadCode): string => {
  const { heads, width } = code;
  const D = heads * width;
  return `
fn main(index : i32) {
  if (index < uniforms.size) {
    let inRow = index % uniforms.row;
    let n = index / uniforms.row % uniforms.N;
    let row = index / (uniforms.row * uniforms.N) + uniforms.firstRow;
    let part = inRow / ${D} + uniforms.firstPart;
    let column = inRow % ${D};
    let head = (n * ${heads} + column / ${width}) * uniforms.Q * uniforms.K;
    let second = uniforms.N * ${heads} * uniforms.Q * uniforms.K;
    var sum = 0.0;
    if (part == 0) {
      let isLeft = row >= uniforms.leaveFrom && row < uniforms.leaveFrom + uniforms.leaveCount;
      let q = select(row, row - uniforms.leaveCount, row >= uniforms.leaveFrom + uniforms.leaveCount);
      if (!isLeft) {
        ${overKeys("key", code, "sum += scores[second + head + q * uniforms.K + k] * NUMBER;")}
      }
    } else {
      let at = head + uniforms.X + row;
      for (var q = 0; q < uniforms.Q; q++) {
        if (part == 1) {
          sum += scores[second + at + q * uniforms.K] *
            queries[(q * uniforms.N + n) * uniforms.queryRow + uniforms.queryFrom + column];
        } else {
          sum += scores[at + q * uniforms.K] * dAttended[(q * uniforms.N + n) * ${D} + column];
        }
      }
    }
    result[index] = sum;
  }
}`;
};
