"""EndpointSlices of Endpoints that people write by hand, for Services without a selector."""
