import init from "./generated/verifier.js";

await init({ module_or_path: new URL("./generated/verifier_bg.wasm", import.meta.url) });

export * from "./index.js";
