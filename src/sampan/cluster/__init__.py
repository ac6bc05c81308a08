"""A cluster as a whole: certificates, configuration, processes. The only room that knows every other room."""
