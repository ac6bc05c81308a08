"""Programs that the server itself asks, by URL or as a Service: webhooks, converters, other API servers."""
