"""What the end-to-end tests share: processes, HTTP, WebSockets, event streams, a proxy. Nothing in here asserts
about the product."""

# Longest wait for an event that must come. Only a failing test ever waits so long.
DEADLINE = 90.0
