"""One harness a reader; a module's name is the harness's, and that of its seeds below fixtures/fuzz."""
