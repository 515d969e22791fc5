-- Prints what wrk counted as one line of JSON; every other script needs it.
function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    '\n{"requests": %d, "seconds": %f, "p50_ms": %f, "p99_ms": %f, "refused": %d, "broken": %d}\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    errors.status, errors.connect + errors.read + errors.write + errors.timeout))
end

-- Makes `request` hand out requests that were built beforehand, one after another.
function cycle(requests)
  local last = 0
  function request()
    last = last % #requests + 1
    return requests[last]
  end
end
