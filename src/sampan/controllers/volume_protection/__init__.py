"""A volume that is bound is not removed under its claim."""
