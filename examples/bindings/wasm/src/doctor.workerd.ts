import { initSync } from "./generated/doctor.js";
import module from "./generated/doctor_bg.wasm";

initSync({ module });

export * from "./doctor.js";
