// Package base has what the engine mentions of libopenapi's package of this name.
package base

import (
	"errors"

	"go.yaml.in/yaml/v4"

	"github.com/pb33f/libopenapi/orderedmap"
)

type SchemaProxy struct{}

func (*SchemaProxy) Schema() *Schema { return nil }

type Schema struct {
	AdditionalProperties *DynamicValue[*SchemaProxy, bool]
	AllOf, AnyOf, OneOf  []*SchemaProxy
	Default              *yaml.Node
	Description          string
	Discriminator        *Discriminator
	Enum                 []*yaml.Node
	Extensions           *orderedmap.Map[string, *yaml.Node]
	Format               string
	Items                *DynamicValue[*SchemaProxy, bool]
	Maximum, Minimum     *float64
	MaxLength, MinLength *int64
	MultipleOf           *float64
	Nullable, ReadOnly   *bool
	Pattern              string
	Properties           *orderedmap.Map[string, *SchemaProxy]
	Required             []string
	Type                 []string
}

func (*Schema) GoLow() *LowSchema { return nil }

func (*Schema) MarshalJSONInline() ([]byte, error) { return nil, errors.New("this build reads no OpenAPI") }

type LowSchema struct{}

func (*LowSchema) Hash() uint64 { return 0 }

type DynamicValue[A, B any] struct{ A A }

func (*DynamicValue[A, B]) IsA() bool { return false }

type Discriminator struct {
	PropertyName string
	Mapping      *orderedmap.Map[string, string]
}
