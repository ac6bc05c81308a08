"""EndpointSlices of Services that select Pods."""
