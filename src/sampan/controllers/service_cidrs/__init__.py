"""ServiceCIDRs are ready when they are looked after, and stay while an address of theirs is in use."""
