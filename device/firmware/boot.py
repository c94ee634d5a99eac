# Runs first at every start, soft resets included. It does nothing, so that a host tool
# that resets the board into its prompt finds it quiet: the work begins in main.py.
