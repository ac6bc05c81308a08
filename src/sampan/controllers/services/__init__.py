"""What Endpoints and EndpointSlices have in common: which Pods stand behind a Service, and at which ports."""
