package local

import "github.com/pulumi/pulumi-go-provider/infer"

// Logging says which of a command's streams `pulumi up` shows while it runs.
type Logging string

// Values lists the modes for the schema.
func (Logging) Values() []infer.EnumValue[Logging] {
	return []infer.EnumValue[Logging]{
		{Name: "stdout", Value: "stdout", Description: "Shows stdout only"},
		{Name: "stderr", Value: "stderr", Description: "Shows stderr only"},
		{Name: "stdoutAndStderr", Value: "stdoutAndStderr", Description: "Shows both streams"},
		{Name: "none", Value: "none", Description: "Shows neither stream; both are still kept as outputs"},
	}
}
