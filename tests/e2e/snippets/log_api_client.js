const eventSource = new EventSource(
  `http://localhost:8000/api/v1/app/executions/${executionId}/logs/stream?access_token=${jwt_token}`
);

eventSource.addEventListener("message", (event) => {
  const data = JSON.parse(event.data);

  switch (data.event_type) {
    case "LOG":
      console.log("📝 Log:", data.data.message);
      updateLogDisplay(data.data);
      break;

    case "COMPLETE":
      console.log("✅ Execution completed:", data.data.status);
      eventSource.close();
      break;

    case "ERROR":
      console.error("❌ Streaming error:", data.data.error);
      eventSource.close();
      break;
  }
});

eventSource.addEventListener("error", (error) => {
  console.error("SSE connection error:", error);
  eventSource.close();
});
