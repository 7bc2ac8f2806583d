-- Each thread sends every n-th of the targets in the file that TARGETS names, so none is sent twice.
local threads = 0

function setup(thread)
  thread:set("number", threads)
  threads = threads + 1
end

function init(args)
  local count = tonumber(os.getenv("THREADS"))
  requests, at = {}, 0
  local line_number = 0
  for line in io.lines(os.getenv("TARGETS")) do
    if line_number % count == number then requests[#requests + 1] = wrk.format("GET", line) end
    line_number = line_number + 1
  end
end

function request()
  at = at + 1
  return requests[(at - 1) % #requests + 1]
end

function done(summary, latency, _)
  io.write(string.format("RESULT %.0f %.2f %.2f %d\n", summary.requests / summary.duration * 1e6,
    latency:percentile(50) / 1000, latency:percentile(99) / 1000,
    summary.errors.status + summary.errors.connect + summary.errors.read + summary.errors.timeout))
end
