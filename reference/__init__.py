"""Reference systems: real programs of our own, met on the wire only, with defects that can be switched on."""
