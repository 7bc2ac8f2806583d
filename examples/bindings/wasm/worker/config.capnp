# The example and its test in workerd. `run.sh` makes the two bundles. For a deployment, the same bindings go to the
# configuration of the platform, and the keys are secrets.
using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [
    (name = "example", worker = .example),
    (name = "test", worker = .test),
    (name = "example-counters", disk = (path = "/nonexistent", writable = true)),
    (name = "test-counters", disk = (path = "/nonexistent", writable = true)),
  ],
  sockets = [
    (name = "example", address = "127.0.0.1:0", http = (), service = "example"),
    (name = "test", address = "127.0.0.1:0", http = (), service = "test"),
  ],
);

const example :Workerd.Worker = (
  compatibilityDate = "2026-01-01",
  modules = [
    (name = "worker.js", esModule = embed "../build/worker.js"),
    (name = "verifier_bg.wasm", wasm = embed "../build/verifier_bg.wasm"),
  ],
  durableObjectNamespaces = [(className = "TagCounter", uniqueKey = "example-counters", enableSql = true)],
  durableObjectStorage = (localDisk = "example-counters"),
  bindings = [
    (name = "COUNTERS", durableObjectNamespace = "TagCounter"),
    (name = "TEMPLATE", text = "https://ntag.nxp.com/424?e={picc}&c={mac}"),
    (name = "META_READ_KEY", text = "00000000000000000000000000000000"),
    (name = "FILE_READ_KEY", text = "00000000000000000000000000000000"),
  ],
);

const test :Workerd.Worker = (
  compatibilityDate = "2026-01-01",
  modules = [
    (name = "workerd.js", esModule = embed "../build/workerd.js"),
    (name = "verifier_bg.wasm", wasm = embed "../build/verifier_bg.wasm"),
    (name = "doctor_bg.wasm", wasm = embed "../build/doctor_bg.wasm"),
  ],
  durableObjectNamespaces = [(className = "TagCounter", uniqueKey = "test-counters", enableSql = true)],
  durableObjectStorage = (localDisk = "test-counters"),
  bindings = [(name = "COUNTERS", durableObjectNamespace = "TagCounter")],
);
