"""What methods on flow maps of onset to apex share: how maps are scaled, and what small networks on them read."""
