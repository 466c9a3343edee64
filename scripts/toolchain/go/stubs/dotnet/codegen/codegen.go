// Package codegen stands where the bridge's generators look for pulumi-dotnet's code generator: the names they
// refer to, and no more. See stubs/README.md.
package codegen

import (
	"errors"

	"github.com/hashicorp/hcl/v2"
)

// CSharpPackageInfo is what the bridge writes under "csharp" in a package's schema; no plugin of ours serves it.
type CSharpPackageInfo struct {
	Compatibility                string            `json:"compatibility,omitempty"`
	PackageReferences            map[string]string `json:"packageReferences,omitempty"`
	ProjectReferences            []string          `json:"projectReferences,omitempty"`
	Namespaces                   map[string]string `json:"namespaces,omitempty"`
	RootNamespace                string            `json:"rootNamespace,omitempty"`
	DictionaryConstructors       bool              `json:"dictionaryConstructors,omitempty"`
	LiftSingleValueMethodReturns bool              `json:"liftSingleValueMethodReturns,omitempty"`
	RespectSchemaVersion         bool              `json:"respectSchemaVersion,omitempty"`
}

// CSharpPropertyInfo is what the bridge writes for a property with a name of its own in C#.
type CSharpPropertyInfo struct {
	Name string `json:"name,omitempty"`
}

// CSharpResourceInfo is what the bridge writes for a resource with a name of its own in C#.
type CSharpResourceInfo struct {
	Name string `json:"name,omitempty"`
}

// GenerateProgram refuses: this is a stub.
func GenerateProgram(any) (map[string][]byte, hcl.Diagnostics, error) {
	return nil, nil, errors.New("pulumi-dotnet is a stub in this build: it cannot generate programs")
}
