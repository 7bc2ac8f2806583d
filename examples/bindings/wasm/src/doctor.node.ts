import { readFileSync } from "node:fs";
import { initSync } from "./generated/doctor.js";

initSync({ module: readFileSync(new URL("./generated/doctor_bg.wasm", import.meta.url)) });

export * from "./doctor.js";
