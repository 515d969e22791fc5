-- POST, a hero for each of the teams in turn. Arguments: prefix, number of teams.
require "report"

function init(args)
  local requests = {}
  local headers = { ["Content-Type"] = "application/json" }
  for team = 1, tonumber(args[2]) do
    local body = string.format('{"name": "New hero", "secret_name": "Secret", "age": 30, "team_id": %d}', team)
    requests[team] = wrk.format("POST", args[1] .. "/heroes", headers, body)
  end
  cycle(requests)
end
