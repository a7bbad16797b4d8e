-- wrk: send each prepared request once, in order, over however many connections; say what came back as JSON.
-- The file holds, per request, its length in bytes, a line feed, and the raw HTTP request.
local requests, sent = {}, 0

function init(args)
  local file = assert(io.open(args[1], "rb"))
  while true do
    local length = file:read("*n")
    if not length then break end
    file:read(1)
    requests[#requests + 1] = file:read(length)
  end
  file:close()
end

function request()
  sent = sent + 1
  if sent > #requests then
    wrk.thread:stop() -- none is sent twice; the caller sees that the file was too short
    sent = #requests
  end
  return requests[sent]
end

function done(summary, latency)
  local e = summary.errors
  io.write(string.format(
    '\nJSON {"requests": %d, "seconds": %.6f, "refused": %d, "broken": %d, "p50": %.3f, "p95": %.3f, "p99": %.3f}\n',
    summary.requests, summary.duration / 1e6, e.status, e.connect + e.read + e.write + e.timeout,
    latency:percentile(50) / 1e3, latency:percentile(95) / 1e3, latency:percentile(99) / 1e3))
end
