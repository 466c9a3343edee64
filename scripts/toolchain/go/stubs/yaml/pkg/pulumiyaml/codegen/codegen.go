// Package codegen stands where the bridge's converters look for pulumi-yaml's program generator. See stubs/README.md.
package codegen

import (
	"errors"

	"github.com/hashicorp/hcl/v2"
)

// GenerateProgram refuses: this is a stub.
func GenerateProgram(any) (map[string][]byte, hcl.Diagnostics, error) {
	return nil, nil, errors.New("pulumi-yaml is a stub in this build: it cannot generate programs")
}
