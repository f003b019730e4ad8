//go:build tools

// Package tools names the commands that are built from this module: `go install` refuses them directly,
// since their own go.mod has exclude lines.
package tools

import (
	_ "github.com/prometheus/prometheus/cmd/prometheus"
	_ "github.com/prometheus/prometheus/cmd/promtool"
)
