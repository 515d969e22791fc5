-- PATCH with If-Match, the ids one after another. Arguments: prefix, first id, last id.
--
-- Every hero begins with version 1 and has one more after each lap. There are far more heroes than connections, so a
-- lap's answer has long come when the next lap reaches the hero: the version is known without reading the answer.
require "report"

function init(args)
  local prefix, first, last = args[1] .. "/heroes/", tonumber(args[2]), tonumber(args[3])
  local headers = { ["Content-Type"] = "application/json" }
  -- wrk asks for one request to look at before the load begins, and does not send it.
  local lap, id, body = 0, last - 1, ""
  function request()
    id = id + 1
    if id > last then
      id, lap = first, lap + 1
      headers["If-Match"] = '"' .. lap .. '"'
      body = '{"age": ' .. 100 + lap .. '}'
    end
    return wrk.format("PATCH", prefix .. id, headers, body)
  end
end
