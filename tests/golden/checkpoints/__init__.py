"""One folder per format and program; ``make.py`` made them."""
