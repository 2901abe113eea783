"""Physics of GC-IMS records, and the cultures that the simulated set is made of."""
