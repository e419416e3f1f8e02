curl -f http://localhost:8080/health || echo "Temporal UI not ready yet"
