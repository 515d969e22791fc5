-- 1,000 heroes in one request. Arguments: prefix, number of teams.
require "report"

function init(args)
  local heroes = {}
  for number = 1, 1000 do
    local team = number % tonumber(args[2]) + 1
    heroes[number] = string.format('{"name": "Hero %d", "secret_name": "Secret", "age": 30, "team_id": %d}', number, team)
  end
  local body = "[" .. table.concat(heroes, ", ") .. "]"
  cycle({ wrk.format("POST", args[1] .. "/heroes/bulk", { ["Content-Type"] = "application/json" }, body) })
end
