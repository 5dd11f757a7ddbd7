"""Any microscope's file in; out comes what its planes mean and where they lie."""
