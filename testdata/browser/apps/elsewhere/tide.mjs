export const tide = 'high';
