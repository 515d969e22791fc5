-- GET by id, ids at random but the same for every contender. Arguments: prefix, number of heroes.
require "report"

function init(args)
  math.randomseed(1)
  local requests = {}
  for number = 1, 20000 do
    requests[number] = wrk.format("GET", args[1] .. "/heroes/" .. math.random(tonumber(args[2])))
  end
  cycle(requests)
end
