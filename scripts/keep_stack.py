import clearfield.errors
