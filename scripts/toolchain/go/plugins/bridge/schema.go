// Package bridge is what the two bridge mains share.
package bridge

import (
	"encoding/json"
	"io"

	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfbridge"
	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfgen"
	"github.com/pulumi/pulumi/sdk/v3/go/common/diag"
	"github.com/pulumi/pulumi/sdk/v3/go/common/diag/colors"
)

// Schema computes the package's schema. A published plugin carries it as a generated file; computing it at start takes
// less than a tenth of a second and cannot go stale. The bridge needs it to warn about inputs of a wrong type.
func Schema(info tfbridge.ProviderInfo) ([]byte, error) {
	silent := diag.DefaultSink(io.Discard, io.Discard, diag.FormatOptions{Color: colors.Never})
	generated, err := tfgen.GenerateSchemaWithOptions(tfgen.GenerateSchemaOptions{
		ProviderInfo:    info,
		DiagnosticsSink: silent,
		XInMemoryDocs:   true, // without it the generator looks for the provider's documentation on disk
	})
	if err != nil {
		return nil, err
	}
	return json.Marshal(generated.PackageSpec)
}
