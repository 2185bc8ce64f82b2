-- Functions of readers.json. Each is a global of the name that it has there.

-- Words in a browser's name, and what they tell. The first that is found counts.
local signs = {
  { "bot", "robot" }, { "spider", "robot" }, { "crawl", "robot" }, { "curl", "robot" },
  { "mobile", "phone" }, { "android", "phone" }, { "iphone", "phone" },
}

-- Who reads: "robot", "phone" or "desktop". The agent is nil where the log has "-".
function reader(agent)
  if agent == nil then return "unknown" end
  local name = agent:lower()
  for _, sign in ipairs(signs) do
    if name:find(sign[1], 1, true) then return sign[2] end
  end
  return "desktop"
end

-- The sections that a page is in: "/docs/api/list?x=1" is in "/docs" and "/docs/api".
-- The result is null for a request without a path: flat_map makes no row of it.
function sections(path)
  if path == nil then return nil end
  local folder, found, at = path:match("^[^?#]*/") or "", {}, ""
  for name in folder:gmatch("[^/]+") do
    at = at .. "/" .. name
    found[#found + 1] = at
  end
  return found
end
