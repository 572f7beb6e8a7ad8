"""fedkeys: a next-word keyboard that learns from many phones without collecting what anyone typed."""
