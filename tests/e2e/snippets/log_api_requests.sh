# Get first 50 logs
curl -X GET "http://localhost:8000/api/v1/app/executions/exec-123/logs?limit=50&offset=0" \
  -H "Authorization: Bearer <jwt_token>"

# Get error logs only
curl -X GET "http://localhost:8000/api/v1/app/executions/exec-123/logs?level=ERROR" \
  -H "Authorization: Bearer <jwt_token>"

# Get logs within time range
curl -X GET "http://localhost:8000/api/v1/app/executions/exec-123/logs?start_time=2025-01-10T00:00:00Z&end_time=2025-01-10T23:59:59Z" \
  -H "Authorization: Bearer <jwt_token>"
