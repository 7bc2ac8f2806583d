import { readFileSync } from "node:fs";
import { initSync } from "./generated/verifier.js";

initSync({ module: readFileSync(new URL("./generated/verifier_bg.wasm", import.meta.url)) });

export * from "./index.js";
