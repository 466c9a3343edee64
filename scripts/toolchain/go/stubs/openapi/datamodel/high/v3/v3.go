// Package v3 has what the engine mentions of libopenapi's package of this name.
package v3

import (
	"go.yaml.in/yaml/v4"

	"github.com/pb33f/libopenapi/datamodel/high/base"
	"github.com/pb33f/libopenapi/orderedmap"
)

type Document struct {
	Components *Components
	Info       *Info
	Paths      *Paths
}

type Components struct {
	Schemas *orderedmap.Map[string, *base.SchemaProxy]
}

type Info struct{ Version string }

type Paths struct {
	PathItems *orderedmap.Map[string, *PathItem]
}

type PathItem struct {
	Get, Post, Put, Delete, Patch, Head *Operation
}

type Operation struct {
	Deprecated                        *bool
	Description, OperationId, Summary string
	Extensions                        *orderedmap.Map[string, *yaml.Node]
	Parameters                        []*Parameter
	RequestBody                       *RequestBody
	Responses                         *Responses
	Tags                              []string
}

type Parameter struct {
	Description, In, Name string
	Required              *bool
	Schema                *base.SchemaProxy
}

type RequestBody struct {
	Content *orderedmap.Map[string, *MediaType]
}

type Responses struct {
	Codes   *orderedmap.Map[string, *Response]
	Default *Response
}

type Response struct {
	Content     *orderedmap.Map[string, *MediaType]
	Description string
}

type MediaType struct{ Schema *base.SchemaProxy }
