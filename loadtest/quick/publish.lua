-- What wrk sends: the file that is named after the URL, as the body of a POST.
function init(args)
  local file = assert(io.open(args[1]))
  wrk.body = file:read('a')
  file:close()
  wrk.method = 'POST'
  wrk.headers['Content-Type'] = 'application/json'
end

-- Whoever looks is told of every answer that was no success.
function done(summary)
  local errors = summary.errors
  print(string.format('%d answers, %d of them errors', summary.requests, errors.status))
end
