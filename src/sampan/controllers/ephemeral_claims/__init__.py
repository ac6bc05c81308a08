"""Claims for `ephemeral` volumes: made for one Pod, owned by it, gone with it."""
