"""What the commands of cost measure: settings, rows, fits and tables of benchmark, scaling and costs."""
