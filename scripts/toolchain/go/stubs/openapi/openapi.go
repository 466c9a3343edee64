// Package libopenapi has what the engine mentions of the package of this name, which only its `pulumi cloud` calls.
package libopenapi

import (
	"errors"

	v3 "github.com/pb33f/libopenapi/datamodel/high/v3"
)

type Document interface {
	BuildV3Model() (*DocumentModel[v3.Document], error)
}

type DocumentModel[T any] struct{ Model T }

func NewDocument([]byte) (Document, error) { return nil, errors.New("this build has no pulumi cloud") }
