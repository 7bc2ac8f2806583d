import init from "./generated/doctor.js";

await init({ module_or_path: new URL("./generated/doctor_bg.wasm", import.meta.url) });

export * from "./doctor.js";
