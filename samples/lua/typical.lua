-- An aggregate: the geometric mean, which a few very large pages do not pull up.
local typical = {}

-- The state of no rows. It may be a number, a string, or a table of such.
function typical.init()
  return { n = 0, logs = 0 }
end

-- The state with one more row. Rows that are null do not come here.
function typical.update(state, bytes)
  if bytes > 0 then
    state.n = state.n + 1
    state.logs = state.logs + math.log(bytes)
  end
  return state
end

-- The state of two parts of the rows together: of two tasks, or of two panes of a window.
function typical.merge(a, b)
  return { n = a.n + b.n, logs = a.logs + b.logs }
end

-- The result; nil is null.
function typical.finish(state)
  if state.n > 0 then return math.exp(state.logs / state.n) end
end

return typical
