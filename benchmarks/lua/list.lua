-- Pages of 50 behind cursors that the contender has handed out. Arguments: prefix, file with a cursor on each line.
require "report"

function init(args)
  local requests = {}
  for cursor in io.lines(args[2]) do
    requests[#requests + 1] = wrk.format("GET", args[1] .. "/heroes?limit=50&cursor=" .. cursor)
  end
  cycle(requests)
end
