import { initSync } from "./generated/verifier.js";
import module from "./generated/verifier_bg.wasm";

initSync({ module });

export * from "./index.js";
